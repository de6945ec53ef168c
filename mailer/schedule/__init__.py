"""When mailings fall due: one tick a second over our own tables."""
