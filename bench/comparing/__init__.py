"""From runs to result tables: what may be compared, with what uncertainty, and how it is printed."""
