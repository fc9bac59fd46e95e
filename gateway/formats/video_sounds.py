"""What becomes of the sound of a video: it stays, is converted, or is left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.config import Sound as Choice
from gateway.convert.video import SoundTrack
from gateway.formats import mpeg2
from gateway.formats.video_coding import Coding
from gateway.formats.video_rules import ONE_SOUND, SOUND, Container, Sound, Unsuitable, check_sound
from gateway.model import AudioChannel

_MOST = 9  # PS3.3 C.7.6.5, Channel Identification Code
_NOT_DECODED = "Give --audio drop to leave it out"


@dataclass(frozen=True, slots=True)
class Sounds:
    """The sound tracks of the result, how many channels each has, and what was done to others."""

    tracks: tuple[SoundTrack, ...] = ()
    channels: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    def described(self) -> tuple[AudioChannel, ...]:
        """The tracks as an object describes them; it knows mono and stereo alone (PS3.3 C.7.6.5)."""
        return tuple(
            AudioChannel(number, "MONO" if count == 1 else "STEREO")
            for number, count in enumerate(self.channels, start=1)
        )


def as_it_is(sounds: Sequence[Sound], coding: Coding, container: Container) -> Sounds:
    """All sound as it is; raises `Unsuitable` where some may not go with the pictures."""
    return chosen(sounds, coding, container, Choice.KEEP)


def chosen(sounds: Sequence[Sound], coding: Coding, container: Container, choice: Choice) -> Sounds:
    """The sound that stays, and what is made of sound that may not go with the pictures.

    Raises `Unsuitable` for such sound where the choice is to keep it, or where it cannot be decoded.
    """
    tracks: list[SoundTrack] = []
    channels: list[int] = []
    notes: list[str] = []
    encoder, name = ("libmp3lame", "MP3") if isinstance(coding, mpeg2.Sequence) else ("aac", "AAC")
    for sound in sounds:
        try:
            check_sound(sound, coding, container)
        except Unsuitable as error:
            if choice is Choice.KEEP:
                raise
            if choice is Choice.DROP:
                notes.append(f"its {sound.title} is left out")
                continue
            if not sound.codec or not sound.rate:
                raise Unsuitable(str(error), _NOT_DECODED) from error
            notes.append(f"its {sound.title} is converted to {name} of 48 kHz with 2 channels")
            tracks.append(SoundTrack(sound.stream, encoder))
            channels.append(2)
        else:
            tracks.append(SoundTrack(sound.stream))
            channels.append(sound.channels)
    if len(tracks) > _MOST:
        raise Unsuitable(f"an object describes {_MOST} sound tracks at most, not {len(tracks)}", ONE_SOUND)
    return Sounds(tuple(tracks), tuple(channels), tuple(notes))


def hint(sounds: Sequence[Sound], coding: Coding, choice: Choice) -> str:
    """What else has to be given for the sound when pictures are converted; empty where nothing has."""
    try:
        chosen(sounds, coding, Container.MP4, choice)
    except Unsuitable as error:
        return ", and --audio convert or --audio drop for its sound" if error.remedy == SOUND else ""
    return ""
