"""The plumbing all services share: locks, versions, outbox, relay, consumer, API basics. It knows no domain word."""
