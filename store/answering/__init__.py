"""From a tree to an answer: rules, their constants, and how sure they are."""
