"""The screens: runs, trees of a run, replay of a tree, and the small ones on top of them."""
