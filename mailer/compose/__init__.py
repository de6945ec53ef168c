"""Make mails: edition and design into a compiled message, merged per supporter into wire bytes."""
