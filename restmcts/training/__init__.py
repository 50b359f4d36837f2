"""Training of policies and value models, on the Trainer of transformers."""

from restmcts.engines.offline import stay_offline

stay_offline()
