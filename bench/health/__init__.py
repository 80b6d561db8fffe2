"""Health of one run from its recorded numbers: alarms while it trains, and the verdict at its end."""
