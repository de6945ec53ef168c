"""The composition root: builds the parts from a workspace's config and wires them together."""
