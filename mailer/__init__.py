"""Send statements of solidarity campaigns to supporters, each in their own language, once."""
