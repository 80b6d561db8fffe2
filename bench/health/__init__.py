"""Signs of trouble: alarms while a run trains, and its verdict at the end."""
