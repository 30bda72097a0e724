"""Stand-ins, builders and checks that several tests share: imported as ``tests.support.NAME``."""
