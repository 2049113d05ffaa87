"""The routing table as a page that a social worker can read: docs/routing.md."""
