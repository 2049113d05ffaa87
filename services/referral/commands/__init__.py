"""The verbs of the referral service: load, decide, save, tell."""
