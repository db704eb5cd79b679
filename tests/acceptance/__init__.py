"""The five programs that this one replaces, by the habits of their users."""
