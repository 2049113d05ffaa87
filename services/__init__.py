"""The four services and the chassis they stand on; they meet only in events."""
