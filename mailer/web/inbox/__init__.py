"""The sandbox's inbox: caught mails in a browser, on a loopback port of its own."""
