"""The published contract of Roamhub."""
