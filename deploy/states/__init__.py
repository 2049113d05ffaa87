"""The life of a referral as a page: diagram and table from the rules that the service works by."""
