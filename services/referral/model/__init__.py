"""The rules of referrals and the directory: pure, time as an argument."""
