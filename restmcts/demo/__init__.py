"""The built-in task: problems, tokenizer, settings and base policy."""

from restmcts.engines.offline import stay_offline

stay_offline()
