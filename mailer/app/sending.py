"""Build the delivery engine of a workspace, and send one mailing in the foreground.

In: a workspace. Out: a `DeliveryEngine` wired to the sandbox, or to the relay once live.
"""

from __future__ import annotations
