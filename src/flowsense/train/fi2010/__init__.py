"""The protocols of FI-2010 (Ntakaris et al. 2018): its files, and recordings labelled as it is.

Its rows are not events and carry no time, so that this stands beside `train.run`, which it shares
the nets, their training loop and the scores with.
"""
