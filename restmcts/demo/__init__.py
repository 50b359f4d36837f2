"""The built-in task: problems, tokenizer, settings and base policy."""

from restmcts.offline import stay_offline

stay_offline()
