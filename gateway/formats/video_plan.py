"""What becomes of a video: it stays as it is, is put into MP4, or its pictures are coded again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from gateway.config import Reading
from gateway.formats import mpeg2, video_foreign
from gateway.formats.sei import TURNED
from gateway.formats.video_coding import Coding
from gateway.formats.video_forms import Form, Structure
from gateway.formats.video_pictures import (
    Pictures,
)
from gateway.formats.video_recoding import Recoding, recoding
from gateway.formats.video_rules import (
    RATE,
    RECODE,
    SOUND,
    Container,
    Level,
    Sound,
    Unsuitable,
    check_pictures,
    level_for,
    suits,
)
from gateway.formats.video_sounds import Sounds, as_it_is, chosen, hint
from gateway.formats.video_timing import Timing, steady
from gateway.formats.video_turn import UPRIGHT, Matrix
from gateway.model import LossyStep, Pixels

_SLOWEST, _FASTEST = Fraction(1, 60), 1000  # frames a second that a bare stream may well have
_ROOM = 2**20  # bytes that the index of a new file may take, or more


@dataclass(frozen=True, slots=True)
class Found:
    """All that was found in a file of `size` bytes; `others` are tracks of neither pictures nor sound."""

    form: Form
    size: int
    structure: Structure
    stream: int
    coding: Coding
    turn: Matrix
    pictures: Pictures
    timing: Timing
    sounds: tuple[Sound, ...]
    others: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of a file: all of it as it is, or a new container, or new pictures.

    `level` is that of the result, and `unpad` says that a transport stream only loses what stands between
    its packets.
    """

    level: Level
    sounds: Sounds
    renewed: bool = False
    unpad: bool = False
    recoded: Recoding | None = None


def must_recode(coding: Coding, turn: Matrix, reading: Reading, sounds: tuple[Sound, ...]) -> bool:
    """Whether pictures have to be coded again, as far as headers tell; raises `Unsuitable` if not wanted."""
    try:
        check_pictures(coding, 0)
        if turn != UPRIGHT:
            raise Unsuitable(f"its pictures are not to be shown as they are coded: {TURNED}", RECODE)
    except Unsuitable as error:
        return _recode_instead(error, coding, reading, sounds)
    return False


def _recode_instead(error: Unsuitable, coding: Coding, reading: Reading, sounds: tuple[Sound, ...]) -> bool:
    """True where pictures that do not fit are coded again; raises what was found otherwise."""
    if error.remedy != RECODE:
        raise error
    if not reading.transcode:
        further = hint(sounds, recoding(coding, UPRIGHT, coding.rate or Fraction(25)).coding, reading.sound)
        raise Unsuitable(str(error), error.remedy + further) from error
    pixels = coding.width * coding.height
    if pixels > reading.max_pixels:
        raise Unsuitable(
            f"each of its pictures has {pixels:,} pixels, more than the {reading.max_pixels:,} to be decoded",
            "Raise --max-pixels, or export it smaller",
        )
    return True


def plan_for(found: Found, reading: Reading, *, again: bool) -> Plan:
    """What becomes of a file; raises `Unsuitable`."""
    coding, container, rate = found.coding, found.form.container, found.timing.rate
    recoded: Recoding | None = None
    if not again:
        try:
            level = level_for(coding, rate)
        except Unsuitable as error:
            again = _recode_instead(error, coding, reading, found.sounds)
    if again:
        recoded = recoding(coding, found.turn, rate)
        coding = recoded.coding
        level = level_for(coding, rate)
    elif suits(coding, container):
        try:
            sounds = as_it_is(found.sounds, coding, container)
        except Unsuitable as error:
            if error.remedy != SOUND or reading.sound is reading.sound.KEEP:
                raise
        else:
            check_pictures(coding, found.size)
            return Plan(level, sounds, unpad=found.structure.padded)
    sounds = chosen(found.sounds, coding, Container.MP4, reading.sound)
    if not recoded:
        check_pictures(coding, found.pictures.size + _ROOM)
    return Plan(level, sounds, renewed=True, recoded=recoded)


def timing_of(form: Form, coding: Coding, pictures: Pictures, reading: Reading) -> Timing:
    """How long frames are shown; raises `Unsuitable` where nothing says it."""
    timing = pictures.timing
    if form.container is Container.BARE:
        declared = coding.rate if coding.rate and _SLOWEST <= coding.rate <= _FASTEST else None
        rate = declared or reading.frame_rate
        if rate is None:
            raise Unsuitable("neither its headers nor a container say how long its frames are shown", RATE)
        own = timing if declared and isinstance(coding, mpeg2.Sequence) else None
        return own or steady(rate, pictures.frames)
    if timing is None:
        raise Unsuitable("nothing says how long its frames are shown", "Export it again as MP4")
    return timing


def pixels_of(found: Found, plan: Plan) -> Pixels:
    """The pixels that the pictures of the result decode to (PS3.5 8.2.5 to 8.2.11).

    The compression ratio is that of all frames as an uncompressed object would have them, three samples a
    pixel, to the coded pictures without container and sound. The loss of coding again is told when it is
    done.
    """
    coding, pictures = found.coding, found.pictures
    allocated = 8 if coding.bits == 8 else 16
    uncompressed = coding.width * coding.height * 3 * allocated // 8 * pictures.frames
    method = video_foreign.method(coding)
    shown = plan.recoded.coding if plan.recoded else coding
    aspect = shown.aspect or Fraction(1)
    return Pixels(
        rows=shown.height,
        columns=shown.width,
        samples_per_pixel=3,
        photometric_interpretation="YBR_PARTIAL_420",
        bits_allocated=8 if shown.bits == 8 else 16,
        bits_stored=shown.bits,
        planar_configuration=0,
        pixel_aspect_ratio=(aspect.denominator, aspect.numerator) if aspect != 1 else None,
        frames=pictures.frames,
        frame_times=found.timing.frame_times,
        lossy=(LossyStep(round(uncompressed / pictures.size, 2), method),) if method else (),
    )


def done(found: Found, plan: Plan) -> Iterator[str]:
    """What is done to a video, for its user to know."""
    old = found.coding
    if plan.recoded:
        picture = plan.recoded.picture
        size = f" of {picture.columns}x{picture.rows}" if picture.scaled else ""
        turned = ", set upright" if picture.turn else ""
        what = f"{old.title} of {old.width}x{old.height}"
        yield f"its pictures, {what}, are coded again as H.264 High{size}{turned}"
    elif plan.renewed:
        yield "is put into a new MP4 file with its coded pictures as they are"
    elif plan.unpad:
        yield "loses what stands between the packets of its transport stream"
    yield from plan.sounds.notes
    if plan.renewed and found.others:
        yield f"also has {found.others} tracks of text or data, which are left out"


def remarks(found: Found, plan: Plan) -> Iterator[str]:
    """What users should know of a video that is stored."""
    if found.timing.remark:
        yield found.timing.remark
    if not plan.recoded:
        rate, pictures = found.timing.rate, found.pictures
        if strain := plan.level.strain(rate, pictures.frames, pictures.size):
            yield strain
        if found.coding.colour.full_range:
            yield (
                "its colours have the full range, which YBR_PARTIAL_420 does not say; "
                "viewers that do not read the video's own header show them too harsh"
            )
    if found.structure.damaged or found.pictures.interrupted:
        yield "parts of it were lost or damaged before it came here; some pictures may be shown wrong"
    if any(count > 2 for count in plan.sounds.channels):
        yield "its sound has more than two channels; the object describes it as stereo"
    if found.others and not plan.renewed:
        yield f"it also has {found.others} tracks of text or data, which go into the object with it"
