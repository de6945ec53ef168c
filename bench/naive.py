"""The naive sender: what a program of an afternoon does for each supporter.

In: a workspace and where the relay is. Out: a line of JSON. For each of so many people the template
is rendered, the style inlined, an `EmailMessage` built, a connection made, the mail sent, and the
row committed through the ORM.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import time
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
from jinja2 import Environment
from premailer import transform
from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from bench.sender import peak_mb

STYLE = "<style>body { font-family: sans-serif } p { margin: 0 0 1em } a { color: #0a5 }</style>"
PARAGRAPH = (
    "<p>We ask the government to keep the line open. It is how people reach each other.</p>\n"
)
TEMPLATE = (
    f"<html><head>{STYLE}</head><body><p>Dear {{{{ name }}}},</p>\n{PARAGRAPH * 100}</body></html>"
)


class Base(DeclarativeBase):
    """The ORM's base."""


class Sent(Base):
    """A row per supporter."""

    __tablename__ = "sent"
    id: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[str]


async def send(port: int, session: Session, people: int) -> None:
    """Send one mail after the other."""
    environment = Environment(autoescape=True)
    for number in range(people):
        html = transform(environment.from_string(TEMPLATE).render(name=f"Person {number}"))
        message = EmailMessage()
        message["From"], message["To"] = "news@harbor.example.org", f"person{number}@example.org"
        message["Subject"] = "Keep the line open"
        message.set_content("Keep the line open.\n" * 80)
        message.add_alternative(html, subtype="html")
        await aiosmtplib.send(message, hostname="127.0.0.1", port=port, start_tls=False)
        session.add(Sent(id=number + 1, state="accepted"))
        session.commit()


def main() -> None:
    """Send and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("database", type=Path)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--people", type=int, default=200)
    options = parser.parse_args()
    engine = create_engine(f"sqlite:///{options.database}")
    Base.metadata.create_all(engine)
    used = resource.getrusage(resource.RUSAGE_SELF)
    begun = time.perf_counter()
    with Session(engine) as session:
        asyncio.run(send(options.port, session, options.people))
    seconds = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
    print(json.dumps({"seconds": seconds, "cpu_s": cpu_s, "peak_mb": peak_mb()}))


if __name__ == "__main__":
    main()
