"""Hidden Markov models of market regimes: fitting, filtering, naming. Rabiner 1989."""
