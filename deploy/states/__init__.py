"""The lives of referrals and cooperations as pages: diagram and table from the rules that the service works by."""
