"""What the program speaks of: frozen dataclasses and enums, standard library only."""
