"""What a report of stored runs says, before it is a page: pure data, and its figures as pictures."""
