"""Two back ends one can read in a minute and run against a hub; see docs/partner-sdk.md."""
