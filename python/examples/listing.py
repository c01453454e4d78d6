"""Fill a range table, list a part of it, break off, and go on where that was; by asyncio, beside other requests."""

import asyncio
from contextlib import suppress

from quorate import AsyncClient, NotFound, Put


async def main() -> None:
    # A read that is slower than 19 of 20 others is sent to a second node too.
    async with AsyncClient(hedge="p95") as client:
        with suppress(NotFound):  # of the first run
            await client.drop_table("readings")
        await client.create_table("readings", sharding="range", split_at=["sensor-2"])

        hours = [f"sensor-{sensor}/{hour:02}" for sensor in (1, 2, 3) for hour in range(24)]
        results = await client.batch("readings", [Put(key, b"21.5", ttl=3600) for key in hours])
        failed = [result.error for result in results if result.error]
        print(f"{len(results) - len(failed)} stored, {len(failed)} failed")

        scan = client.scan("readings", prefix="sensor-2/", values=True, page_size=10)
        async for item in scan:
            if item.key == b"sensor-2/09":
                break
        # The cursor is a text: it can be kept, and is good at any node.
        rest = client.scan("readings", prefix="sensor-2/", cursor=scan.cursor)
        print(f"after ten: {(await anext(rest)).key.decode()} ..")

        reads = await asyncio.gather(*(client.get("readings", key) for key in hours))
        count = await client.count("readings", prefix="sensor-3/")
        print(f"{len(reads)} read at once, {count} of sensor 3")
        await client.drop_table("readings")


asyncio.run(main())
