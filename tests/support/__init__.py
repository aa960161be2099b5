"""What tests share: makers of values, doubles of both APIs, workers, the command line, and the judge of promises."""
