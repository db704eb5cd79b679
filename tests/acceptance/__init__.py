"""The habits of users of the five programs that this one replaces."""
