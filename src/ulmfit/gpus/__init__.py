"""GPUs of one machine: how many a job asks for, and which ones it gets; no torch anywhere."""
