-- Records without a seal: those from before there were seals, and those stored while no key was to be had.

create index records_unsealed on records (at) where seal is null;
