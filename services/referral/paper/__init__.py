"""What the referral service prints."""
