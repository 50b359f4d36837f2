"""Small models that can be made usable without a model hub."""

from restmcts.offline import stay_offline

stay_offline()
