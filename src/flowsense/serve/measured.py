"""All that the service tells of itself by number, as one list: `metrics` fills it.

docs/monitoring.md prints it, and the board and the alert rules of deploy/ ask for nothing else.
"""

from flowsense.serve.series import Family

STAGES = (
    "decode",
    "queue",
    "fold",
    "models",
    "risk",
    "publish",
    "total",
)  # as `Prediction.latency_us`
FEEDS = ("connecting", "live", "resync", "stale", "down", "stopped")  # as `Feed.state`
STATES = ("stopped", "starting", "running", "stopping", "failed")  # as `Status.state`
SECONDS = (0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.25, 1.0)
TENTHS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
SURE = (0.5, 0.55, 0.6, 0.65, 0.7, 0.8, 0.9)
OF = ("venue", "symbol")

PIPELINE = (
    Family("flowsense_stage_seconds", "histogram", "Time a stage took", ("stage",), SECONDS),
    Family("flowsense_pipeline_state", "gauge", "1 of the state it is in", ("state",)),
    Family("flowsense_events_total", "counter", "Events given to the engine"),
    Family("flowsense_dropped_total", "counter", "Events conflated before the engine"),
    Family("flowsense_unrecorded_total", "counter", "Of these, those that no recording will have"),
    Family("flowsense_queue_events", "gauge", "Events that wait for the engine"),
    Family("flowsense_loop_lag_seconds", "gauge", "How late the event loop woke up"),
    Family("flowsense_tasks", "gauge", "Tasks of the event loop"),
    Family("flowsense_threads", "gauge", "Threads of the process"),
    Family("flowsense_disk_refuses", "gauge", "1 where it cannot be written", ("path",)),
    Family("flowsense_disk_free_bytes", "gauge", "Free where files are written", ("path",)),
)
FEED = (
    Family("flowsense_feed_messages_total", "counter", "Messages heard", ("venue",)),
    Family("flowsense_feed_events_total", "counter", "Events decoded", ("venue",)),
    Family("flowsense_feed_reconnects_total", "counter", "Connections made again", ("venue",)),
    Family("flowsense_feed_gaps_total", "counter", "Holes in the sequence", ("venue",)),
    Family("flowsense_feed_resyncs_total", "counter", "Books taken anew", ("venue",)),
    Family("flowsense_feed_malformed_total", "counter", "Messages refused", ("venue",)),
    Family("flowsense_feed_state", "gauge", "Connections in a state", ("venue", "state")),
    Family("flowsense_feed_staleness_seconds", "gauge", "Since the last message", ("venue",)),
    Family("flowsense_feed_barred_seconds", "gauge", "It wants no requests for", ("venue",)),
    Family("flowsense_feed_clock_skew_ms", "gauge", "Median of received less stamped", ("venue",)),
)
PREDICTION = (
    Family("flowsense_predictions_total", "counter", "Told, by side", (*OF, "direction")),
    Family("flowsense_confidence", "histogram", "P(side | it moves)", ("direction",), SURE),
    Family("flowsense_p_up", "histogram", "P(up) of ready forecasts", ("target",), TENTHS),
    Family("flowsense_not_ready_total", "counter", "Forecasts that warm up", ("target",)),
    Family("flowsense_position_size", "gauge", "Share of the capital recommended", OF),
    Family("flowsense_stale", "gauge", "1 where the newest prediction is marked stale", OF),
    Family("flowsense_agreement", "gauge", "Agreement of the members, newest prediction", OF),
    Family("flowsense_regime_probability", "gauge", "Of the newest row", (*OF, "regime")),
    Family("flowsense_vetoes_total", "counter", "Predictions not to be acted on", ("veto",)),
    Family("flowsense_abstentions_total", "counter", "Members left out", ("member", "reason")),
    Family("flowsense_member_weight", "gauge", "Share in the answer", ("member",)),
    Family("flowsense_breaker_open", "gauge", "Breakers open for a reason", ("trip",)),
    Family("flowsense_breaker_trips_total", "counter", "Times one opened", ("trip",)),
)
MODEL = (
    Family("flowsense_model_info", "gauge", "1 of what is served", ("name", "version")),
    Family("flowsense_model_loaded_seconds", "gauge", "When it was loaded, Unix time"),
    Family("flowsense_model_columns", "gauge", "Columns it reads"),
    Family("flowsense_swaps_total", "counter", "Reloads, by what became of them", ("outcome",)),
    Family("flowsense_importance", "gauge", "Of the columns that matter most", ("column",)),
)
OUTCOMES = (
    Family("flowsense_outcomes_total", "counter", "Forecasts whose outcome is known", ("target",)),
    Family("flowsense_hit_rate", "gauge", "Share of moves called right", ("target", "by")),
    Family("flowsense_brier", "gauge", "Mean squared error of P(down, flat, up)", ("target",)),
    Family("flowsense_brier_null", "gauge", "Of who says how often each came", ("target",)),
    Family("flowsense_ece", "gauge", "Expected calibration error", ("target",)),
    Family("flowsense_ece_limit", "gauge", "That of the calibrated, seldom passed", ("target",)),
    Family("flowsense_reliability", "gauge", "P(up | moved) by tenths", ("tenth", "what")),
    Family("flowsense_drift_reference_rows", "gauge", "Of the training; 0: the first hour is used"),
    Family("flowsense_drift_psi", "gauge", "Population stability index", ("column",)),
    Family("flowsense_drift_psi_max", "gauge", "Greatest of all columns"),
    Family("flowsense_drifts_total", "counter", "Changes of the error found", ("target",)),
)
API = (
    Family("flowsense_requests_total", "counter", "Answered", ("route", "code")),
    Family("flowsense_request_seconds", "histogram", "Time to answer", ("route",), SECONDS),
    Family("flowsense_clients", "gauge", "WebSockets open"),
    Family("flowsense_clients_cut_total", "counter", "WebSockets closed for being slow"),
)
WATCH = (
    Family("flowsense_alert", "gauge", "1 while a rule holds", ("rule",)),
    Family("flowsense_alerts_total", "counter", "Webhook deliveries", ("delivery",)),
    Family("flowsense_series", "gauge", "Series told here"),
    Family("flowsense_refused_total", "counter", "Values or labels that are not told"),
)
FAMILIES = (*PIPELINE, *FEED, *PREDICTION, *MODEL, *OUTCOMES, *API, *WATCH)
