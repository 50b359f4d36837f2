"""What is read from the index, by subject: runs, searches, comparisons."""
