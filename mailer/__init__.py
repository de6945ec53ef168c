"""Send statements of solidarity campaigns to supporters, each in their own language, once."""

import zoneinfo

# A server's own time zone data may be years old, and clock changes are decided late: the zones of
# the locked tzdata package are used instead, the same on every machine.
zoneinfo.reset_tzpath(to=())
