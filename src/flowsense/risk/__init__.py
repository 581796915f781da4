"""From forecasts to recommendations: sizes, limits and circuit breakers. No orders here."""
