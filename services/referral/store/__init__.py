"""SQL of the referral service, one function a statement."""
