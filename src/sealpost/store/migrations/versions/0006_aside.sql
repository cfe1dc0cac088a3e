-- Records that were changed or added behind the service's back: they get no place in the log, and doctor counts them.

create index records_aside on records (at) where log_index = -1;
