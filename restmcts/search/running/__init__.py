"""Running searches: answers the requests of methods from engines, many searches at once."""
