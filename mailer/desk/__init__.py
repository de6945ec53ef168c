"""The staff's desk: pages at /desk where campaign staff write, check, approve, schedule and watch."""
