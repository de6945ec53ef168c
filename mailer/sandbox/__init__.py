"""A built-in SMTP catcher on loopback, and the demo's people: nobody is reached from here."""
