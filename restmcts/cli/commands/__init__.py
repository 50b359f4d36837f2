"""The commands, one file each: parse, build, call, print."""
