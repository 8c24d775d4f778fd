"""Plain data that crosses package borders; no behaviour that needs I/O, a clock or third-party code."""
