"""Training of policies and value models, on the Trainer of transformers."""

from restmcts.offline import stay_offline

stay_offline()
