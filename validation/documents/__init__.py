"""Reading untrusted JSON and TOML documents strictly, and writing results."""
