"""`restmcts grade`: one file a command."""
