package ingest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"

	"github.com/docent-ml/docent/internal/ingesttest"
)

const (
	german     = "Die Bücherei schließt um neun. Bitte grüßen Sie die Gäste höflich und räumen Sie auf."
	french     = "La bibliothèque ferme à neuf heures. Les élèves doivent rendre leurs livres dès la première sonnerie."
	lithuanian = "Biblioteka užsidaro devintą valandą. Prašome laiku grąžinti knygas ir žurnalus, šiandien vėluojančių nebus."
	latvian    = "Bibliotēka tiek slēgta pulksten deviņos. Lūdzu, laikus atdodiet grāmatas un žurnālus."
	polish     = "Zebranie zaczyna się w poniedziałek o trzeciej. Proszę przynieść książkę i żółty długopis."
	czech      = "Schůze začíná v pondělí ve tři hodiny. Přineste si prosím žlutý sešit a příručku."
	russian    = "Собрание начинается в понедельник в три часа. Материалы просьба прислать накануне."
	greek      = "Η συνάντηση αρχίζει τη Δευτέρα στις τρεις. Φέρτε το σχέδιο μαζί σας, παρακαλώ."
	inJapanese = "会議は月曜日の三時に始まります。資料は前日までに送ってください。"
	chinese    = "会议于星期一下午三点开始。请提前一天把材料发送给我们。"
	taiwanese  = "會議於星期一下午三點開始。請提前一天將資料寄給我們。"
	korean     = "회의는 월요일 세 시에 시작합니다. 자료는 하루 전까지 보내 주십시오."
)

// Of these, the detector after ICU's alone finds 32, that after Mozilla's 28.
var encodedTexts = []struct{ text, encoding string }{
	{russian, "windows-1251"}, {russian, "koi8-r"}, {russian, "iso-8859-5"}, {russian, "ibm866"},
	{"Дверь закрыта. Звоните.", "windows-1251"}, {"Дверь закрыта. Звоните.", "koi8-r"},
	{"Збори починаються в понеділок о третій годині. Матеріали просимо надіслати напередодні.", "windows-1251"},
	{"Събранието започва в понеделник в три часа. Моля, изпратете материалите предварително.", "windows-1251"},
	{greek, "windows-1253"}, {greek, "iso-8859-7"}, {"Κλειστό τη Δευτέρα.", "windows-1253"}, {greek + " Ο Άρης.", "windows-1253"}, {greek + " Ο Άρης.", "iso-8859-7"},
	{inJapanese, "shift_jis"}, {inJapanese, "euc-jp"}, {inJapanese, "iso-2022-jp"}, {"図書館は九時に閉まります。", "shift_jis"}, {"図書館は九時に閉まります。", "euc-jp"},
	{chinese, "gb18030"}, {"图书馆九点关门。", "gb18030"}, {taiwanese, "big5"}, {"圖書館九點關門。", "big5"},
	{korean, "euc-kr"}, {"도서관은 아홉 시에 닫습니다.", "euc-kr"},
	{german, "windows-1252"}, {"Der Schlüssel hängt an der Tür.", "windows-1252"}, {french, "windows-1252"}, {"naïve", "windows-1252"},
	{"The “reading room” opens at nine — it’s closed on Mondays. Bring your card; it costs £5.", "windows-1252"},
	{"La reunión comenzará mañana a las tres. ¿Quién traerá los papeles del señor Muñoz?", "windows-1252"},
	{polish, "windows-1250"}, {polish, "iso-8859-2"}, {czech, "windows-1250"}, {czech, "iso-8859-2"},
	{"A könyvtár kilenckor zár. Kérjük, hozza vissza az összes kölcsönzött könyvet időben.", "iso-8859-2"},
	{"Kütüphane dokuzda kapanır. Lütfen ödünç aldığınız kitapları zamanında geri getiriniz, şimdiden teşekkürler.", "windows-1254"},
	{"הספרייה נסגרת בשעה תשע. נא להחזיר את הספרים בזמן.", "windows-1255"},
	{"تغلق المكتبة في الساعة التاسعة. يرجى إعادة الكتب في الوقت المحدد.", "windows-1256"},
	{"Расписание библиотеки изменилось. Читальный зал открыт ежедневно, кроме пятницы.", "windows-1251"},
	{"Расписание библиотеки изменилось. Читальный зал открыт ежедневно, кроме пятницы.", "x-mac-cyrillic"},
	{"Бібліотека зачиняється о дев'ятій. Їжу та напої заборонено.", "koi8-u"},
	{"La sala está cerrada los lunes. ¿Dónde está el niño? Mañana habrá más información.", "macintosh"},
	{lithuanian, "windows-1257"}, {lithuanian, "iso-8859-13"}, {lithuanian, "iso-8859-4"}, {latvian, "windows-1257"}, {latvian, "iso-8859-4"},
	{"Raamatukogu suletakse kell üheksa. Palun tagastage raamatud õigeaegselt, šahhiklubi ja žürii jäävad.", "windows-1257"},
	{german, "macintosh"}, {"Viele Grüße aus Köln.", "macintosh"},
}

func encoded(t *testing.T, text, name string) []byte {
	e, err := htmlindex.Get(name)
	require.NoError(t, err)
	data, err := e.NewEncoder().Bytes([]byte(text))
	require.NoError(t, err)
	return data
}

func TestGuess(t *testing.T) {
	ingesttest.NothingLeft(t)
	for _, c := range encodedTexts {
		got, err := decode(encoded(t, c.text, c.encoding), "")
		assert.NoError(t, err)
		assert.Equal(t, c.text, got.text, c.encoding)
	}
	for _, text := range []string{german, russian, chinese, "One.\nTwo.", inJapanese, "これはひらがなだけのぶんです。\n", "天地玄黄，宇宙洪荒。\n日月盈昃，辰宿列张。", "しょるいはあとで、おくってください。"} {
		for _, order := range []unicode.Endianness{unicode.LittleEndian, unicode.BigEndian} {
			for _, mark := range []unicode.BOMPolicy{unicode.IgnoreBOM, unicode.UseBOM} {
				data, err := unicode.UTF16(order, mark).NewEncoder().Bytes([]byte(text))
				require.NoError(t, err)
				got, err := decode(data, "")
				assert.NoError(t, err, "%v", order)
				assert.Equal(t, decoded{text: text}, got)
			}
		}
		for _, order := range []utf32.Endianness{utf32.LittleEndian, utf32.BigEndian} {
			data, err := utf32.UTF32(order, utf32.IgnoreBOM).NewEncoder().Bytes([]byte(text))
			require.NoError(t, err)
			got, err := decode(append(data, make([]byte, 512)...), "utf-16")
			assert.NoError(t, err, "%v", order)
			assert.Equal(t, decoded{text: text}, got)
		}
	}
}

func TestDecode(t *testing.T) {
	ingesttest.NothingLeft(t)
	for name, c := range map[string]struct {
		data     []byte
		declared string
		want     string
		doubt    string
	}{
		"declared, and right":           {encoded(t, french, "windows-1252"), "ISO-8859-1", french, ""},
		"declared, one byte wrong":      {append(encoded(t, chinese, "gb18030"), 0xFF), "gb2312", chinese + "\uFFFD", "in gbk, which the file declares"},
		"declared another, UTF-8":       {[]byte(french), "iso-8859-1", french, ""},
		"declared another, two signs":   {[]byte("für"), "windows-1252", "für", ""},
		"declared UTF-8, but is not":    {encoded(t, german, "windows-1252"), "utf-8", german, ""},
		"declared and of few bytes":     {encoded(t, "模", "gb18030"), "gb2312", "模", ""},
		"declared nonsense":             {[]byte(french), "none", french, ""},
		"declared UTF-16 in one byte":   {[]byte("abc"), "utf-16", "abc", ""},
		"a mark and another beside it":  {[]byte("\xEF\xBB\xBF" + french), "windows-1252", french, ""},
		"a mark, then bad bytes":        {[]byte("\xEF\xBB\xBF" + french + "\xff"), "", french + "\uFFFD", "1 byte is not UTF-8"},
		"as many bad bytes as letters":  {[]byte("Zürich, cut \xc3"), "", "Zürich, cut \uFFFD", "1 byte is not UTF-8"},
		"two bad bytes":                 {[]byte("é\xffé\xfeé"), "", "é\uFFFDé\uFFFDé", "2 bytes are not UTF-8"},
		"a NUL":                         {[]byte("a\x00 line of text"), "", "a line of text", ""},
		"two NULs in a short text":      {[]byte("<p>a\x00b \x00 Rooms close.</p>"), "", "<p>ab  Rooms close.</p>", ""},
		"NULs in each tag":              {[]byte("<b>\x00<p\x00>Rooms\x00 close.</p\x00>."), "", "<b><p>Rooms close.</p>.", "control characters"},
		"marks where files were joined": {[]byte("a \uFEFFb"), "", "a b", ""},
		"NULs amid other letters":       {[]byte("Привет\x00, \x00мир."), "", "Привет, мир.", ""},
		"of an old Macintosh":           {[]byte("die Pl\x8ane f\x9fr K\x9aln mitbringen"), "", "die Pläne für Köln mitbringen", ""},
		"the end of DOS files":          {[]byte("a\r\nb\r\n\x1A"), "", "a\nb\n", ""},
		"code page 850":                 {[]byte("Die B\x81cherei schlie\xe1t. H\x84nde waschen, T\x81r zu."), "", "Die Bücherei schließt. Hände waschen, Tür zu.", ""},
		"code page 850, declared":       {[]byte("Gr\x81\xe1e"), "cp850", "Grüße", ""},
		"code page 850, two in a row":   {[]byte("Viele Gr\x81\xe1e aus K\x94ln"), "", "Viele Grüße aus Köln", ""},
		"filled up with NULs":           {[]byte("Tür" + string(make([]byte, 300))), "", "Tür", ""},
		"pages without letters":         {[]byte("Some text of a page.\n\x01\x02\x03\x04\n"), "", "Some text of a page.\n\n", "4 control characters among 26 bytes"},
		"too little to tell":            {[]byte("\xc1\xe4\xe5"), "", "Бде", "only a guess"},
		"nothing":                       {nil, "", "", ""},
	} {
		got, err := decode(c.data, c.declared)
		assert.NoError(t, err, name)
		assert.Equal(t, c.want, got.text, name)
		if c.doubt == "" {
			assert.Empty(t, got.doubt, name)
		} else {
			assert.Contains(t, got.doubt, c.doubt, name)
		}
	}
	for name, data := range map[string]string{
		"zip": "PK\x03\x04\x14\x00\x00\x00\x08\x00", "a program": "\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03\x00>\x00",
	} {
		_, err := decode([]byte(data), "")
		assert.ErrorIs(t, err, ErrMalformed, name)
	}
}

func TestTwoEncodingsInOneFile(t *testing.T) {
	ingesttest.NothingLeft(t)
	for _, in := range []string{"Grüße aus K\xf6ln, sch\xf6ne Gr\xfc\xdfe.", "Grüße\nsch\xf6n gr\xfc\xdft K\xf6ln\n"} {
		got, err := decode([]byte(in), "")
		assert.NoError(t, err)
		assert.Equal(t, strings.NewReplacer("\xf6", "ö", "\xfc", "ü", "\xdf", "ß").Replace(in), got.text)
		assert.Contains(t, got.doubt, "two encodings")
	}
	quoted := encoded(t, "„Spaß“ und „Ruß“, Grüße aus Köln", "windows-1252")
	got, err := decode(quoted, "")
	assert.NoError(t, err)
	assert.Equal(t, "„Spaß“ und „Ruß“, Grüße aus Köln", got.text, "what looks like UTF-8 by chance")
}
