"""The `roamhub` command: a thin face over `hub.main` and the published contract."""
