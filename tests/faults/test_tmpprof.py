import cProfile, pstats, time
from tests.faults.test_sweep import *
from tests.faults.sweeping import run
from tests.faults.breaking import Faults
async def test_prof(site):
    for i in range(3):
        t=time.time(); await run(site, LIVES[0], Faults()); print("plain", time.time()-t)
    for a in site.faults.acts: print(a)
    for i in range(3):
        t=time.time(); await run(site, LIVES[0], Faults(20, Mode.killed_after)); print("kill", time.time()-t)
    p=cProfile.Profile(); p.enable()
    for i in range(5): await run(site, LIVES[0], Faults(20, Mode.killed_after))
    p.disable(); pstats.Stats(p).sort_stats("cumtime").print_stats(45)
