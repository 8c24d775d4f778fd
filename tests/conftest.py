"""What all tests share: how thoroughly hypothesis searches."""

from hypothesis import HealthCheck, settings

# The default: the whole unit suite within a minute on one core. `--hypothesis-profile=deep` searches for an hour.
settings.register_profile(
    "dev", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
settings.register_profile("deep", settings.get_profile("dev"), max_examples=20_000)
settings.load_profile("dev")
